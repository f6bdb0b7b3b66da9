"""Words of the glossary that the book also uses otherwise, reviewed by reading each place."""

from __future__ import annotations

# Words that nearly every page uses, so that a link on each would only be in the way. They are
# linked where the book first uses them.
FREQUENT = {
    "cell": "what every picture shows",
    "part": "train, validation or test, on each page that trains",
    "run": "what each page of a system starts or reads",
    "score": "the result of each system, on each page",
    "split": "the subject of the book",
    "step": "of each training",
    "weight": "of each network",
}

# Phrases in which the word is not the term.
OTHER_SENSES: dict[str, tuple[str, ...]] = {
    # an assumption, and a distortion; not the number that a unit adds
    "bias": (
        "corrected for bias and acceleration",
        "inductive bias",
        "free of bias",
        "right of many biases",
    ),
    # of a disk, on a cluster
    "claim": ("volume claim",),
    # the systems of haematology, not the task
    "classification": ("classifications are in use", "Consensus Classification"),
    # of DenseNet, a layer of convolutions
    "dense layer": ("Each dense layer ends by",),
    # of cells, as a haematologist says
    "feature": ("had features of B cells",),
    # of numbers
    "precision": (
        "single precision",
        "half precision",
        "double precision",
        "precision of a number",
    ),
    # what may happen to a person
    "risk": ("what risk.", "as a risk."),
    # being changed by a rotation
    "sensitivity": ("sensitivity under rotation",),
    # verbs
    "run": ("runs it from",),
    "score": ("scores without", "scored once"),
    "store": ("Keras stores", 'stores "temporal'),
    # of an operation, of a format, of a laboratory
    "record": (
        "backend records",
        "framework records",
        "walks the record",
        "records in them",
        "organisers' records",
        "source's own record",
    ),
    # a topic
    "subject": ("a subject of its own", "are the subject of"),
    # of a procedure
    "step": ("every step in the open", "each step only after", "step one"),
    # of a table, in a browser
    "filter": ("filters run in your browser",),
}

# References for which no DOI or stable address is known.
WITHOUT_ADDRESS = {
    "mir2019article": "a source under audit, at hand as a document",
    "mir2019report": "a source under audit, at hand as a document",
    "unnithan2021poster": "a source under audit, at hand as a document",
    "garg2021transfer": "a source under audit, at hand as a document",
    "ball2023densenet": "a source under audit, at hand as a document",
    "laosai2014svm": "listed by the report, and cited from there",
    "laosai2016markers": "listed by the report, and cited from there",
    "fatma2014identification": "listed by the report, and cited from there",
    "asadi2017backpropagation": "listed by the report, and cited from there",
    "sahlol2017elephant": "listed by the report, and cited from there",
}
