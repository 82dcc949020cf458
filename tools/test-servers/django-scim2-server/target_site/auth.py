"""Who may use SCIM: whoever shows the site's token."""

from hmac import compare_digest

from django.conf import settings


def has_token(request):
    """Whether the request bears the site's token (RFC 6750 section 2.1)."""
    shown = request.headers.get("Authorization", "")
    return compare_digest(shown.encode(), f"Bearer {settings.TOKEN}".encode())
