"""Frozen, validated, user-facing specifications."""
