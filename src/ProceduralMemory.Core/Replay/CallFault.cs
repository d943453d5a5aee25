using System.Net;
using System.Net.Sockets;

namespace ProceduralMemory.Replay;

/// <summary>What an exception tells of the call that raised it.</summary>
/// <param name="MayPass">Whether the same call may well succeed later.</param>
/// <param name="IsOutcomeUnknown">Whether the call may have had its effect all the same.</param>
internal readonly record struct CallFault(bool MayPass, bool IsOutcomeUnknown)
{
    /// <summary>Reads an exception, and those that it was caused by.</summary>
    public static CallFault Of(Exception exception)
    {
        for (var current = exception; current is not null; current = current.InnerException)
        {
            switch (current)
            {
                case HttpRequestException { StatusCode: { } status }:
                    // A service that broke (5xx) does not say how far it came, also not one that is said to be unavailable: who says so may stand in front of it.
                    // Others are answers: the service has said what it did not do.
                    return new(
                        status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError,
                        status is HttpStatusCode.RequestTimeout or >= HttpStatusCode.InternalServerError);
                case HttpRequestException request:
                    // Without a connection nothing was sent.
                    return new(true, request.HttpRequestError is not (HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError));
                case SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostNotFound or SocketError.HostUnreachable or SocketError.NetworkUnreachable }:
                    return new(true, false);
                case TimeoutException or OperationCanceledException or SocketException:
                case IOException and not (FileNotFoundException or DirectoryNotFoundException or PathTooLongException or DriveNotFoundException):
                    return new(true, true);
            }
        }

        return default;
    }
}
