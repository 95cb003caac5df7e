"""What is measured on the reader's network; nothing here says what it means."""
