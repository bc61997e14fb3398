"""Moving pictures: faces are followed, and their labels are votes over time."""
