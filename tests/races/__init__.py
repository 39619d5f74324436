"""Commands that race each other over two API processes, and an independent reading of what came of them."""
