"""What several tests share: fixtures' parts, small models and small data sets."""
