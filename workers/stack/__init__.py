"""The local stack: every server and process of the pipeline on one machine, under one data folder."""
