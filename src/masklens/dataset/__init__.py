"""Pictures with labels: reading, fetching, describing, splitting and making them."""
