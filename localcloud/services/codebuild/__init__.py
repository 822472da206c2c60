"""CodeBuild: projects, and builds that run on this machine."""
