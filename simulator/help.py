"""What `headrace simulate --help` says around its options. Every command in it works when it is copied."""

DESCRIPTION = """\
Answers like the Nanonets OCR API (api/v2), on 127.0.0.1 only, so that headrace, or any other client, can
be developed without a key, a network or a bill. It takes real documents, counts their pages, bills them,
and answers in the vendor's shapes with invented pages (or, with --engine local, with what is written on
them). Its answers say that they are simulated. What would have been paid: GET /simulator/bill.

How to go about it: start it, send it a document (first example), point headrace at it (fourth), then make
it difficult: --awkward for answers in every shape that was ever seen, --fault-rate for servers that fail,
orders for one exact fault at one exact call. With the same --seed the same content meets the same pages,
oddities and faults, in the same order after each start.
"""

EPILOG = """\
examples:
  # Answer with invented pages; any API key and any model will do. Then predict a file, at once and later.
  $ headrace simulate --port 18080
  $ curl -u any-key: -F file=@invoice.pdf http://127.0.0.1:18080/api/v2/OCR/Model/demo/LabelFile/
  $ curl -u any-key: -F file=@invoice.pdf 'http://127.0.0.1:18080/api/v2/OCR/Model/demo/LabelFile/?async=true'

  # All that was sent to a model in the last 30 days; the models that there are; the text alone.
  $ curl -u any-key: http://127.0.0.1:18080/api/v2/Inferences/Model/demo/ImageLevelInferences
  $ curl -u any-key: http://127.0.0.1:18080/api/v2/OCR/Model/
  $ curl -u any-key: -F file=@invoice.pdf http://127.0.0.1:18080/api/v2/OCR/FullText

  # Read the documents for real with the local engine, by the label rules of a file; asynchronous
  # answers take 20 seconds. A restart remembers jobs, bill, created models and open orders.
  $ headrace simulate --engine local --models models.toml --async-seconds 20 --state simulator.jsonl

  # Point headrace to it.
  $ HEADRACE_NANONETS_BASE_URL=http://127.0.0.1:18080/api/v2 NANONETS_API_KEY=any-key headrace run

  # Make it difficult: odd answers, one call in ten fails, and two pages of a hundred.
  $ headrace simulate --awkward --fault-rate 0.1 --fail-pages 0.02 --seed 7

  # Only flat accepts, scores in percent, and [] in place of links.
  $ headrace simulate --accept-shape flat --score-scale 100 --signed-urls list

  # A small account: 50 pages in all, 5 a minute, and a model that its key must not use.
  $ headrace simulate --quota-pages 50 --pages-per-minute 5 --forbid secret-model

  # Take all that comes, and note whether any minute had more pages than 150, or any second more than 3 requests.
  $ headrace simulate --pages-per-minute 150 --requests-per-second 3 --above noted

  # The paths of the published OpenAPI file and of the integration guide as well.
  $ headrace simulate --dialect openapi --dialect guide

  # Who paid what, and what twice?
  $ curl http://127.0.0.1:18080/simulator/bill
  # How busy were the busiest minute and second, and was more sent than is allowed? From now on, refuse that.
  $ curl http://127.0.0.1:18080/simulator/rate
  $ curl -d '{"pages_per_minute": 150, "above": "refused", "retry_after": 20}' http://127.0.0.1:18080/simulator/rate

  # Order: the next two documents are taken and billed, and the connection is cut instead of an answer.
  $ curl -d '{"do": "cut", "times": 2}' http://127.0.0.1:18080/simulator/faults
  # Order: the next submit to this model is refused for want of money; the next fetch meets a gateway.
  $ curl -d '{"do": "answer", "status": 402, "model": "demo"}' http://127.0.0.1:18080/simulator/faults
  $ curl -d '{"do": "answer", "status": 502, "body": "html", "on": "fetch"}' http://127.0.0.1:18080/simulator/faults
  # Order: for a minute, the key is refused; the next one after that is asked to come back in 5 seconds.
  $ curl -d '{"do": "answer", "status": 401, "for_seconds": 60}' http://127.0.0.1:18080/simulator/faults
  $ curl -d '{"do": "answer", "status": 429, "retry_after": 5}' http://127.0.0.1:18080/simulator/faults
  # Order: page 2 of the next document fails; the one after is corrected and approved by somebody.
  $ curl -d '{"do": "fail", "pages": [2]}' http://127.0.0.1:18080/simulator/faults
  $ curl -d '{"do": "approve"}' http://127.0.0.1:18080/simulator/faults
  # Order: one document is answered in another shape than all others.
  $ curl -d '{"do": "vary", "variants": {"bodies": "2021"}}' http://127.0.0.1:18080/simulator/faults
  # Order: windows have the next document a minute late; the next window lacks it, the one after breaks off.
  $ curl -d '{"do": "lag", "seconds": 60}' http://127.0.0.1:18080/simulator/faults
  $ curl -d '{"do": "omit", "on": "window", "file": "invoice.pdf"}' http://127.0.0.1:18080/simulator/faults
  $ curl -d '{"do": "break", "on": "window"}' http://127.0.0.1:18080/simulator/faults
  # Which orders are open? Forget them.
  $ curl http://127.0.0.1:18080/simulator/faults
  $ curl -X DELETE http://127.0.0.1:18080/simulator/faults

orders:
  do        answer (with status, body: json, html or empty, and retry_after in seconds), cut,
            slow (with seconds), fail, blank (both with pages, from 1; else all), approve,
            vary (with variants, named as the options with _), lag (with seconds: windows have the
            file that much later), omit (windows: without the files of this name, or without the
            newer half of all), break (windows: the answer ends before its end)
  on        submit (unless given), fetch (by file or page), window, models
  times     how many calls meet it (1); or
  for_seconds   all that come for so long
  model, file   only calls for this model, and for a document of this name
  billed    whether the document is taken, and billed, all the same: unless given, an answer of 4xx bills
            nothing, and every other order bills

models file (TOML), for --models:
  [[models]]
  id = "invoices"
  [[models.fields]]
  label = "invoice_number"
  synonyms = ["Invoice no."]
"""
