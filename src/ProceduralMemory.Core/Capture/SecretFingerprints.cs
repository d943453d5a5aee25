using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Compliance.Redaction;
using Microsoft.Extensions.Options;

namespace ProceduralMemory.Capture;

/// <summary>
/// Tells equal secrets of one recording from others: a keyed digest of each. The key is made at random, lives as long as this object, and is neither stored nor logged. So a fingerprint says nothing
/// of its secret, however short that is: whoever tries all PINs would need the key. Nor can the fingerprints of two recordings be compared.
/// </summary>
internal sealed class SecretFingerprints
{
    private const int KeyBytes = 64;

    private readonly HmacRedactor _redactor = new(Options.Create(new HmacRedactorOptions { Key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(KeyBytes)) }));

    /// <summary>The marker for a secret text.</summary>
    public string MarkerOf(string secret) => secret.Length == 0 || RedactionMarker.Is(secret) ? SecretRedactor.Marker : RedactionMarker.With(FingerprintOf(secret));

    /// <summary>The marker for a secret value. A number is no text of the same digits: what takes the one may not take the other.</summary>
    public string MarkerOf(JsonElement secret) => secret.ValueKind switch
    {
        JsonValueKind.String => MarkerOf(secret.GetString()!),
        JsonValueKind.Number => RedactionMarker.With(FingerprintOf($"\0{Json.Build(w => Json.WriteNumber(w, secret)).GetRawText()}")),
        _ => SecretRedactor.Marker,
    };

    // In hexadecimal digits: values are compared regardless of case in places, and base 64 is not.
    private string FingerprintOf(string secret) => Convert.ToHexStringLower(Convert.FromBase64String(_redactor.Redact(secret)));
}
