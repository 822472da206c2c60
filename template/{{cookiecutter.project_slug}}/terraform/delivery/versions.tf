terraform {
  required_version = ">= 1.10, < 2"

  # Where the state lies is generated from invoke.yaml, for each environment.
  backend "s3" {}

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80, < 7"
    }
  }
}

provider "aws" {
  region = var.region

  # Another account's credentials are refused before anything is read or changed.
  allowed_account_ids = [var.account]

  default_tags {
    tags = {
      managed-by = "stepladder"
      project    = var.project
    }
  }
}
