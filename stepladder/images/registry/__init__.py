"""The registry client: authentication, downloads, uploads, copies, ECR."""
