"""How the queue runs: queues, delivery guarantees, and what beat hints periodically.

docs/decisions.md has the measurements behind each value.
"""

from typing import Any

from kombu.entity import Exchange, Queue

# One queue a kind of work: what blocks one kind never blocks another.
QUEUES = ("route", "submit", "poll", "local", "export", "maintenance")

LONGEST_TASK_SECONDS = 120
# What is told that its time is over has the rest to say so.
SOFT_LIMIT_SECONDS = LONGEST_TASK_SECONDS - 10.0
# Redis hands a message that is held longer than this to a second worker. It is longer than the longest
# task, which is longer than the longest countdown (60 s), so that only dead workers' messages move.
VISIBILITY_TIMEOUT_SECONDS = 300

SWEEP_SECONDS = 5.0
SCHEDULES_SECONDS = 15.0
MARKER_SECONDS = 60.0
# A slice of a scan takes up to ten seconds: two thirds of the time the process does other work.
SCAN_SECONDS = 30.0


def celery_settings(broker_url: str) -> dict[str, Any]:
    """Celery's configuration; the caller keeps the URL's password out of logs."""
    return {
        "broker_url": broker_url,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
            # Messages of a dead worker come back 10 s after the visibility timeout, not 100 s.
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 25,
        },
        # The ledger has every result; a result backend would cost a quarter of the throughput.
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "event_serializer": "json",
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        # TERM lets running tasks finish without a limit; this is for INT and QUIT: a paid request may last 100 s.
        "worker_soft_shutdown_timeout": LONGEST_TASK_SECONDS - 10.0,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # Real on prefork only; everything on threads has deadlines of its own.
        "task_time_limit": LONGEST_TASK_SECONDS,
        "task_soft_time_limit": SOFT_LIMIT_SECONDS,
        # Each with an exchange and key of its own: on a shared one every queue would get every message.
        "task_queues": [Queue(name, Exchange(name, type="direct"), routing_key=name) for name in QUEUES],
        "task_default_queue": "maintenance",
        "task_create_missing_queues": False,
        "enable_utc": True,
        "timezone": "UTC",
        "beat_schedule": {
            # A message that outlives its interval is dropped: after a pause one is enough.
            name: {"task": task, "schedule": seconds, "options": {"queue": "maintenance", "expires": seconds}}
            for name, task, seconds in (
                ("sweep", "headrace.sweep", SWEEP_SECONDS),
                ("schedules", "headrace.schedules", SCHEDULES_SECONDS),
                ("marker", "headrace.marker", MARKER_SECONDS),
                ("scan", "headrace.scan", SCAN_SECONDS),
            )
        },
    }
