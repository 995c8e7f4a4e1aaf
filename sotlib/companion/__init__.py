"""What makes the book: execution, experiments, records. Not part of the wheel."""
