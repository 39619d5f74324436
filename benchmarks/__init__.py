"""Speed and size, measured side by side with a peer in one run."""
