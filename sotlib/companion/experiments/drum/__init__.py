"""The first version of the drums' experiment, with features that hardly compress anything.

`sotlib.companion.experiments.pnp` has taken its place; the chapters on matching, damping, the table
and errors show this one's records until the new ones are complete.
"""
