"""The figures of a study, one a module, as Vega-Lite charts."""
