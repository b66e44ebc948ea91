"""The debug page: what a developer wants to know of an error, and of a 404.

It exists only with the setting ``serve_traceback``, and nothing of it is imported before the
first error.  The page is a document without scripts, and runs no code but the `repr` of local
variables.  What is secret by its name is masked wherever it turns up.  Everything on it has a
bound: exceptions, frames, values, characters, and the time for all of it.
"""
