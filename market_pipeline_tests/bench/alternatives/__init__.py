"""What one would write instead of the stream or of the batch. None of them makes bars of minutes."""
