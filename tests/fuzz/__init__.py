"""Generated requests to every route the description of the interface tells of (``make fuzz``)."""
