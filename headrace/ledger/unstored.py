"""Paid answers that nobody can ask for again, kept here for as long as the bucket does not take them."""

from sqlalchemy import delete, select

from headrace.document import SubmissionKey
from headrace.ledger.engine import Database
from headrace.ledger.schema import unstored_answers
from headrace.ledger.upserts import insert_new


class UnstoredAnswers(Database):
    """The calls of whoever has such an answer, or looks for one. Both parts of it are packed as in the bucket."""

    def set_answer_aside(self, key: SubmissionKey, raw: bytes, prediction: bytes) -> None:
        """Keep the answer of this submission; the first that is kept stays."""
        row = {"key": str(key), "raw": raw, "prediction": prediction, "at": self._clock.now()}
        with self._transaction("set_answer_aside") as tx:
            insert_new(tx, unstored_answers, [row])

    def answer_set_aside(self, key: SubmissionKey) -> tuple[bytes, bytes] | None:
        """The raw answer and its prediction; None where none is kept here."""
        kept = select(unstored_answers.c.raw, unstored_answers.c.prediction)
        with self._reading() as connection:
            row = connection.execute(kept.where(unstored_answers.c.key == str(key))).one_or_none()
        return None if row is None else (bytes(row.raw), bytes(row.prediction))

    def forget_answer_set_aside(self, key: SubmissionKey) -> None:
        """The bucket has it."""
        with self._transaction("forget_answer_set_aside") as tx:
            tx.execute(delete(unstored_answers).where(unstored_answers.c.key == str(key)))
