"""Proofs that critical points are where they are said to be."""

from skcrit.certification.certificates import Certificates
from skcrit.certification.certify import certify

__all__ = ["Certificates", "certify"]
