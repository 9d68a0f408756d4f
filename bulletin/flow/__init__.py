"""The story of a bulletin, told once:

    sources ─► candidates ─► issue ─► editions ─► rendered editions ─► plan ─► ledger ⇄ provider ─► events ─► report
                            (edited)                    └────────► archive

Its chapters are the modules here, in this order: `composing`, `checking`, `readers`, `sending`, `receiving`,
`publishing`. They join the stages and are the only ones that know all of them: they open files, stores and clients,
read the clock, and hand plain values to the stages. The command line and the preview are skins over them.
"""

from bulletin.flow._common import client_for, now, today
from bulletin.flow.checking import (
    Checked,
    Fixed,
    Progress,
    check,
    check_before_leaving,
    fix,
    render,
    render_file,
    scores,
    undo_fix,
    write_rendered,
)
from bulletin.flow.composing import (
    Collected,
    Placed,
    add_candidate,
    add_page,
    collect,
    init,
    new,
    place,
    ran_in,
    skip,
    sources_health,
    translate,
    try_source,
)
from bulletin.flow.publishing import build_archive
from bulletin.flow.readers import (
    Reception,
    answer_readers,
    erase_subscriber,
    export_subscribers,
    import_subscribers,
    list_subscribers,
    lists,
    members,
    normal_address,
    purge,
    put_on_list,
    reception,
    show_subscriber,
    subscribers_of,
    take_off_list,
    undo_import,
    unsubscribe,
    withheld,
)
from bulletin.flow.receiving import (
    MailsRead,
    Overview,
    overview_of_events,
    read_files,
    read_mailbox,
    receiver_of,
    reinstate,
    settle_event,
    suspended,
)
from bulletin.flow.sending import Prepared, prepare_sending, report_of, resolve, send, send_test

__all__ = [  # noqa: RUF022 - in the order of the story
    # composing
    "Collected",
    "Placed",
    "add_candidate",
    "add_page",
    "client_for",
    "collect",
    "init",
    "new",
    "place",
    "ran_in",
    "skip",
    "sources_health",
    "translate",
    "try_source",
    # checking
    "Checked",
    "Fixed",
    "Progress",
    "check",
    "check_before_leaving",
    "fix",
    "render",
    "render_file",
    "scores",
    "undo_fix",
    "write_rendered",
    # readers
    "Reception",
    "answer_readers",
    "erase_subscriber",
    "export_subscribers",
    "import_subscribers",
    "list_subscribers",
    "lists",
    "members",
    "normal_address",
    "purge",
    "put_on_list",
    "reception",
    "show_subscriber",
    "subscribers_of",
    "take_off_list",
    "undo_import",
    "unsubscribe",
    "withheld",
    # sending
    "Prepared",
    "prepare_sending",
    "report_of",
    "resolve",
    "send",
    "send_test",
    # receiving
    "MailsRead",
    "Overview",
    "overview_of_events",
    "read_files",
    "read_mailbox",
    "receiver_of",
    "reinstate",
    "settle_event",
    "suspended",
    # publishing
    "build_archive",
    # the clock
    "now",
    "today",
]
