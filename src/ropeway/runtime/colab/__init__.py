"""What Colab's page expects of a local runtime, beside what every Jupyter server has.

Nothing here is loaded, and no path of it exists, unless `ropeway runtime --colab` asks for it.
"""
