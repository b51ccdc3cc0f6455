"""Scoring masks on labelled data sets: readers, the run, statistics and the report."""
