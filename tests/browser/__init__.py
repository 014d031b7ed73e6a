"""The page in a real browser.

A package, so that the browser ends before the tests of the next folder begin.
"""
