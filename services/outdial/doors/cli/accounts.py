"""``customers``, ``users``, ``accesskeys``: who may ask. The first two are for whoever runs the service."""

import sys
from typing import Annotated

import typer

from outdial.doors.cli.actions import USAGE, Refused
from outdial.doors.cli.fields import milliseconds
from outdial.doors.cli.nouns import (
    Deleted,
    Detail,
    Every,
    Limit,
    Name,
    Noun,
    ResourceId,
    Yes,
    create_resource,
    delete_resource,
    show,
    show_list,
)
from outdial.doors.cli.session import Session, say
from outdial.doors.cli.verbs import group, verb

CustomerId = Annotated[str, typer.Argument(metavar="CUSTOMER", help="Id of the customer.")]
Username = Annotated[str, typer.Argument(metavar="USERNAME", help="What they log in under.")]
OfCustomer = Annotated[str | None, typer.Option("--customer", metavar="ID", help="For another customer: with the token of the settings.")]
Expire = Annotated[str | None, typer.Option("--expire", metavar="DURATION", help="End in so long: 90d. Default: it does not.")]
CUSTOMERS = Noun("customers", ("id", "name", "tm_create"))
USERS = Noun("users", ("id", "username", "tm_create", "tm_update"))
ACCESSKEYS = Noun("accesskeys", ("id", "name", "token_prefix", "tm_expire", "tm_create"))
LONGEST_PASSWORD = 1_024


def register(app: typer.Typer) -> None:
    """Add the three groups."""
    app.add_typer(_customers())
    app.add_typer(_users())
    app.add_typer(_accesskeys())


def _customers() -> typer.Typer:
    app = group("customers", "Customers: what each has nobody else sees.", 'outdial customers create --name "Ann\'s shop"')

    @verb(app, "list", "outdial customers list\noutdial customers list --all --json")
    def list_(session: Session, limit: Limit = 100, every: Every = False) -> None:
        """List them, newest first."""
        show_list(session, CUSTOMERS, CUSTOMERS.collection(), limit, every=every, deleted=False)

    @verb(app, "get", "outdial customers get ID")
    def get(session: Session, resource_id: ResourceId) -> None:
        """Show one."""
        with session.client(reads=True) as client:
            show(session, client.send(CUSTOMERS.collection().get(resource_id)))

    @verb(app, "create", 'outdial customers create --name "Ann\'s shop"')
    def create_(session: Session, name: Name = None, detail: Detail = None) -> None:
        """Make a customer."""
        from outdial.client.routes import given

        create_resource(session, CUSTOMERS.collection(), given(name=name, detail=detail))

    return app


def _users() -> typer.Typer:
    app = group("users", "Users: who logs in for a customer.", "outdial users list CUSTOMER\noutdial users create CUSTOMER ann@example.com")

    @verb(app, "list", "outdial users list CUSTOMER")
    def list_(session: Session, customer: CustomerId, limit: Limit = 100, every: Every = False, deleted: Deleted = False) -> None:
        """List the users of a customer, newest first."""
        from outdial.client.routes import users

        show_list(session, USERS, users(customer), limit, every=every, deleted=deleted)

    @verb(app, "create", "outdial users create CUSTOMER ann@example.com\noutdial users create CUSTOMER ann < password.txt")
    def create_(session: Session, customer: CustomerId, username: Username) -> None:
        """Let somebody log in. The password is asked for, or read from stdin."""
        from outdial.client.routes import create_user

        password = _password()
        with session.client() as client:
            show(session, client.send(create_user(customer, username, password)))

    @verb(app, "passwd", "outdial users passwd CUSTOMER ID\noutdial users passwd CUSTOMER ID < password.txt")
    def passwd(session: Session, customer: CustomerId, resource_id: ResourceId) -> None:
        """Give a user another password, asked for or read from stdin. Whoever is logged in as that user is so no longer."""
        from outdial.client.routes import set_password

        password = _password()
        with session.client() as client:
            show(session, client.send(set_password(customer, resource_id, password)))

    @verb(app, "delete", "outdial users delete CUSTOMER ID --yes")
    def delete(session: Session, customer: CustomerId, resource_id: ResourceId, yes: Yes = False) -> None:
        """Let a user log in no more."""
        from outdial.client.routes import users

        delete_resource(session, users(customer), "user", resource_id, yes=yes)

    return app


def _accesskeys() -> typer.Typer:
    app = group("accesskeys", "Access keys: tokens to be kept by programs.", "outdial accesskeys create --name import --expire 90d")

    @verb(app, "list", "outdial accesskeys list")
    def list_(session: Session, limit: Limit = 100, every: Every = False, deleted: Deleted = False) -> None:
        """List them, newest first."""
        show_list(session, ACCESSKEYS, ACCESSKEYS.collection(), limit, every=every, deleted=deleted)

    @verb(app, "get", "outdial accesskeys get ID")
    def get(session: Session, resource_id: ResourceId) -> None:
        """Show one, also when it is deleted."""
        with session.client(reads=True) as client:
            show(session, client.send(ACCESSKEYS.collection().get(resource_id)))

    @verb(app, "create", "outdial accesskeys create --name import --expire 90d\noutdial accesskeys create --customer ID --name import")
    def create_(session: Session, name: Name = None, detail: Detail = None, expire: Expire = None, customer: OfCustomer = None) -> None:
        """Make an access key. Its token is shown now and never again."""
        from outdial.client.routes import create_accesskey, given

        seconds = None if expire is None else milliseconds(expire) // 1_000
        with session.client() as client:
            row = client.send(create_accesskey(given(name=name, detail=detail, expire=seconds), customer))
        show(session, row)
        say("keep the token: it is not shown again")

    @verb(app, "delete", "outdial accesskeys delete ID --yes")
    def delete(session: Session, resource_id: ResourceId, yes: Yes = False) -> None:
        """Let nobody in by an access key any more."""
        delete_resource(session, ACCESSKEYS.collection(), "access key", resource_id, yes=yes)

    return app


def _password() -> str:
    """A password: asked for at a terminal, twice and unseen, else the first line of stdin. It is never an argument: those anybody can see.

    Raises:
        Refused: ``password_missing``, ``password_differs`` (exit code 2).
    """
    if sys.stdin.isatty():
        from getpass import getpass

        password = getpass("Password: ")
        if password != getpass("Once more: "):
            raise Refused("password_differs", "the two passwords are not the same", "try again", USAGE)
    else:
        password = sys.stdin.readline(LONGEST_PASSWORD + 2).rstrip("\r\n")
    if not password:
        raise Refused("password_missing", "there is no password", "type one, or send it on stdin", USAGE)
    return password
