"""Where Nanonets' calls live, as the vendor's reference has them: https://docs.nanonets.com/reference."""

from urllib.parse import quote

from headrace.states import Mode


def label_file(model: str, mode: Mode) -> str:
    """Predict a file: POST, multipart/form-data."""
    return f"OCR/Model/{quote(model, safe='')}/LabelFile/{_when(mode)}"


def label_urls(model: str, mode: Mode) -> str:
    """Predict what a URL leads to: POST, application/x-www-form-urlencoded."""
    return f"OCR/Model/{quote(model, safe='')}/LabelUrls/{_when(mode)}"


def predictions_of_file(model: str, request_file_id: str) -> str:
    """All pages of an accepted file: GET."""
    return (
        f"Inferences/Model/{quote(model, safe='')}/InferenceRequestFiles/GetPredictions/"
        f"{quote(request_file_id, safe='')}"
    )


def _when(mode: Mode) -> str:
    # "true" is the only value that the vendor documents; sync is its absence.
    return "?async=true" if mode is Mode.ASYNC else ""
