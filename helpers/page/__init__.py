"""What a page needs to speak: sentences, checks of answers, errors, other processes."""
