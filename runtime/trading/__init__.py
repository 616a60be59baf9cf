"""Trading one account through a venue: what is held, sent, protected and closed."""
