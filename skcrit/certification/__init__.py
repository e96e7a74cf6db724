"""Proofs that critical points are at the given places."""

from skcrit.certification.certificates import Certificates
from skcrit.certification.certify import certify

__all__ = ["Certificates", "certify"]
