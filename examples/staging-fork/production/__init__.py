"""The company's production account, one module per part of it."""
