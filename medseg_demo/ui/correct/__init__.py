"""Correcting a shown label map by hand: what every tab with a viewer shares."""
