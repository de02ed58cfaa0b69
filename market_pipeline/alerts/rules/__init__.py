"""The rules, one a file: what each watches for, and the pure function that judges one look."""
