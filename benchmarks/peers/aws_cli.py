"""A shell script of docker and the AWS CLI, as many a team has one."""

from __future__ import annotations

from collections.abc import Sequence

from measure import Command

from peers.installing import Tool
from peers.peer import Peer


class AwsCli(Peer):
    """Build, push, update, wait, publish, move the alias."""

    name = "AWS CLI script"
    tool = Tool("awscli", ("awscli",), "pip")
    publishes = True
    notes = ("The AWS CLI is version 1, the only one that PyPI has; it is in maintenance since August 2026.",)

    def write(self) -> None:
        """Write the app."""
        self.address = self.repository()

    def first(self) -> Sequence[Command]:
        """Build and push, make the function and its alias."""
        aws, name = self.program("aws"), self.function
        create = f"""
            {self.site.login()}
            docker build --quiet --tag {self.address}:latest .
            docker push --quiet {self.address}:latest
            {aws} lambda create-function --function-name {name} --role {self.site.role} --package-type Image \
                --architectures {self.site.machine} --code ImageUri={self.address}:latest
            {aws} lambda wait function-active-v2 --function-name {name}
            version=$({aws} lambda publish-version --function-name {name} --query Version --output text)
            {aws} lambda create-alias --function-name {name} --name live --function-version "$version"
        """
        return [self.script(create)]

    def command(self) -> Command:
        """Return the command."""
        aws, name = self.program("aws"), self.function
        return self.script(f"""
            docker build --quiet --tag {self.address}:latest .
            docker push --quiet {self.address}:latest
            {aws} lambda update-function-code --function-name {name} --image-uri {self.address}:latest
            {aws} lambda wait function-updated-v2 --function-name {name}
            version=$({aws} lambda publish-version --function-name {name} --query Version --output text)
            {aws} lambda update-alias --function-name {name} --name live --function-version "$version"
        """)
