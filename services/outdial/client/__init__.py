"""A client of the HTTP door: what to ask stands in ``routes``, how to ask in ``http``, what can go wrong in ``errors``."""
