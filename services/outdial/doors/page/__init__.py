"""The live page: what an operator looks at, and acts by."""
