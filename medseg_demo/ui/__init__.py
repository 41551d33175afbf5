"""The Segment and Models tabs, the web API, and what they are made of."""
