"""Measuring a bundle: scores with intervals, comparisons, and the report. Extra: evaluate.

The way of a figure, from the files to what is shown of it:

    journey                    the whole way, for one model or two
    selection, subjects        which pictures are judged, and who is judged
    run                        what the model answers to every picture
    assemble                   its answers beside what is annotated:
      answers -> classification              labels of faces and portraits
      pairing -> scenes, average_precision   boxes on photographs
    measures                   each figure with its interval, and how it is resampled
    evaluate                   all of that for one model; compare and exchange for two
    text, record, report/      in the terminal, as JSON, as a document
"""
