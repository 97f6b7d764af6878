"""The stages of a measurement, each of which hands its value down to the next.

A question (`study`) is rendered (`rendering`), what was rendered is embedded (`embedding`), and
both become spaces (`spaces`), of which the statistics are taken. Whatever is computed on the way
goes through the stores (`stores`): transformed clips, features, embeddings, distances and
bootstraps, each under the digest of all that it depends on. All tests of a run share it, and
through the folder on disk later runs and other processes do.
"""
