"""What the book's sources say: settings, pages, and what they refer to."""
