"""The questions of HEDS 3.0 by number, in short words of this project."""

Question = tuple[str, str]

SECTIONS: tuple[tuple[str, str, tuple[Question, ...]], ...] = (
    (
        "1",
        "Main reference and supplementary resources",
        (
            ("1.1.1", "Where the main reference for the experiment is"),
            ("1.1.2", "Which experiment of that reference this sheet is about"),
            ("1.2", "Where the resources used in the experiment are"),
            ("1.3.1.1", "Name of the person completing the sheet"),
            ("1.3.1.2", "Affiliation of the person completing the sheet"),
            ("1.3.1.3", "Email of the person completing the sheet"),
            ("1.3.2.1", "Name of the contact author"),
            ("1.3.2.2", "Affiliation of the contact author"),
            ("1.3.2.3", "Email of the contact author"),
        ),
    ),
    (
        "2",
        "Evaluated systems",
        (
            ("2.1", "Type of input the systems take"),
            ("2.2", "Type of output they generate"),
            ("2.3", "Task they perform"),
            ("2.4", "Languages of the input"),
            ("2.5", "Languages of the output"),
        ),
    ),
    (
        "3",
        "Sample, evaluators and experimental design",
        (
            ("3.1.1", "How many outputs are evaluated, per system"),
            ("3.1.2", "How they were selected"),
            ("3.1.3.1", "Method used to determine statistical power"),
            ("3.1.3.2", "Statistical power of the sample size"),
            ("3.1.3.3", "Where the calculation can be found"),
            ("3.2.1", "How many evaluators took part"),
            ("3.2.2.1", "Whether they are experts"),
            ("3.2.2.2", "Whether and how they were paid"),
            ("3.2.2.3", "Whether they were known to the authors before"),
            ("3.2.2.4", "Whether authors are among them"),
            ("3.2.3", "How they were recruited"),
            ("3.2.4", "What training or practice they were given"),
            ("3.2.5", "Other characteristics of theirs"),
            ("3.3.1", "Whether the design was preregistered, and where"),
            ("3.3.2", "Medium by which responses were collected"),
            ("3.3.3.1", "Types of quality assurance used"),
            ("3.3.3.2", "Methods of quality assurance in detail"),
            ("3.3.4.1", "What the form or interface that they saw looks like"),
            ("3.3.4.2", "Where it can be seen"),
            ("3.3.5", "Whether they chose when and where to work"),
            ("3.3.6", "Whether they could ask questions"),
            ("3.3.7", "Conditions of their work that were controlled"),
            ("3.3.8", "How conditions differed between evaluators"),
        ),
    ),
    (
        "5",
        "Ethics",
        (
            ("5.1", "Approval by an ethics committee"),
            ("5.2", "Personal data in outputs, responses or elsewhere"),
            ("5.3", "Special categories of personal data"),
            ("5.4", "Assessments of impact"),
        ),
    ),
)

# Section 4 is answered once per criterion.
CRITERION: tuple[Question, ...] = (
    ("4.1.1", "Type of quality: correctness, goodness or feature"),
    ("4.1.2", "Aspect of outputs: form, content, or both"),
    ("4.1.3", "Frame of reference: the output itself, its input, or something outside"),
    ("4.2.1", "Objective or subjective"),
    ("4.2.2", "Absolute or relative (outputs of several systems seen at once)"),
    ("4.2.3", "Intrinsic or extrinsic"),
    ("4.3.1", "Name of the criterion as evaluators saw it"),
    ("4.3.2", "Definition of the criterion as evaluators saw it"),
    ("4.3.3", "Size of the scale"),
    ("4.3.4", "Values of the scale"),
    ("4.3.5", "How the scale is presented"),
    ("4.3.6", "The task, where there is no rating instrument"),
    ("4.3.7", "The question or instruction, verbatim"),
    ("4.3.8", "Form of response elicitation"),
    ("4.3.9", "How responses are aggregated or processed"),
    ("4.3.10", "Methods for effect sizes and significance"),
    ("4.3.11.1", "How inter-annotator agreement was measured"),
    ("4.3.11.2", "Inter-annotator agreement found"),
    ("4.3.12.1", "How intra-annotator agreement was measured"),
    ("4.3.12.2", "Intra-annotator agreement found"),
)

# What helps the researchers with a question that the system cannot answer.
HINTS = {
    "2.4": "the study file does not say in which language its prompts are",
    "2.5": "the study file does not say in which language its responses are",
    "3.1.3.1": "simulation, if `manage.py plan_sample` was used",
    "3.1.3.2": "what `manage.py plan_sample` printed for this design",
    "3.2.2.2": "the consent text (5.2) may say so",
    "5.1": "the name of the committee and the number of its approval; the consent text (5.2) may have them",
    "5.3": "read the personas and the consent text with this question in mind",
}
