"""Days as a whole, from the bronze archive: rebuilt beside the running stream, made into gold, checked against it."""
