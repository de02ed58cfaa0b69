"""What mends more than a restart does, each as a plain function. What deletes or sends again is a dry run first."""
