"""Coreshift's pipeline: configuration to lanes, lanes to tables, tables to decisions."""
