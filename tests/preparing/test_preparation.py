"""What is to be done to a copy before a provider gets it, or a refusal before anything is paid."""

import pytest

from headrace.errors import UnsupportedType
from headrace.page_count import PageCount
from headrace.preparation import preparation_for
from headrace.providers import Capabilities
from headrace.providers.local import LocalProvider
from headrace.providers.nanonets import NanonetsProvider
from headrace.routing import Route
from headrace.states import Preparation

SENT = Route(name="sent", bucket="inbox", provider="nanonets", model="m", output="s3://o/r", private="s3://p/n")
CONVERTED = SENT.model_copy(update={"convert": True})
ON_ITS_SIDE = {"rotated": True}
PROTECTED = {"protected": True}


def done_to(media_type, route, provider=NanonetsProvider.capabilities, **found):
    return preparation_for(PageCount(1, "walked", media_type, **found), route, provider)


@pytest.mark.parametrize("media_type", ["application/pdf", "image/png", "image/jpeg", "image/tiff"])
@pytest.mark.parametrize("route", [SENT, CONVERTED])
def test_what_the_provider_takes_goes_as_it_is(media_type, route):
    assert done_to(media_type, route) is None


@pytest.mark.parametrize("media_type", ["image/webp", "image/heic"])
def test_what_it_does_not_take_is_converted_where_the_route_says_so_and_refused_else(media_type):
    assert done_to(media_type, CONVERTED) is Preparation.CONVERT
    with pytest.raises(UnsupportedType, match=rf"is {media_type}; nanonets takes .*write convert = true in its route"):
        done_to(media_type, SENT)


def test_a_picture_on_its_side_is_turned_where_the_route_says_so_and_sent_as_it_is_else():
    assert done_to("image/jpeg", CONVERTED, **ON_ITS_SIDE) is Preparation.CONVERT
    assert done_to("image/jpeg", SENT, **ON_ITS_SIDE) is None


@pytest.mark.parametrize("route", [SENT, CONVERTED])
@pytest.mark.parametrize("provider", [NanonetsProvider, LocalProvider])
def test_a_protected_pdf_is_decrypted_for_every_provider_there_is(route, provider):
    assert done_to("application/pdf", route, provider.capabilities, **PROTECTED) is Preparation.DECRYPT


def test_a_provider_that_takes_protected_pdfs_gets_them():
    takes = Capabilities(
        paid=True, asynchronous=True, urls=True, media_types=frozenset({"application/pdf"}), protected=True
    )
    assert done_to("application/pdf", SENT, takes, **PROTECTED) is None


def test_pictures_for_the_local_provider_are_refused_or_become_pdfs():
    local = LocalProvider.capabilities
    with pytest.raises(UnsupportedType, match="application/pdf"):
        done_to("image/png", SENT, local)
    assert done_to("image/png", CONVERTED, local) is Preparation.CONVERT


def test_a_provider_that_takes_no_pdf_is_sent_none():
    pictures = Capabilities(paid=True, asynchronous=False, urls=False, media_types=frozenset({"image/jpeg"}))
    with pytest.raises(UnsupportedType) as refused:
        done_to("image/heic", CONVERTED, pictures)
    assert "convert = true" not in str(refused.value)
    assert done_to("image/jpeg", CONVERTED, pictures, **ON_ITS_SIDE) is None
