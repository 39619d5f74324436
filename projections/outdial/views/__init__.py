"""The reading side: tables built from events, and from nothing else. One file a view, and the projector that keeps them."""
