"""What a network must be to be examined, trained and asked for predictions."""
