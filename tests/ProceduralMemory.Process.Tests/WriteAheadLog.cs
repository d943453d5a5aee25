using System.Buffers.Binary;

namespace ProceduralMemory.ProcessTests;

/// <summary>The log beside a database, as the SQLite file format describes it.</summary>
internal static class WriteAheadLog
{
    private const int HeaderLength = 32;
    private const int FrameHeaderLength = 24;
    private const int Salts = 16;

    /// <summary>Whether whoever wrote it was cut short between the first page of a transaction and its commit. To be asked before anybody opens the database, which recovers it.</summary>
    public static bool EndsInsideWrite(string database)
    {
        var path = database + "-wal";
        if (!File.Exists(path))
        {
            return false;
        }

        var log = File.ReadAllBytes(path).AsSpan();
        if (log.Length < HeaderLength)
        {
            return false;
        }

        var frameLength = FrameHeaderLength + BinaryPrimitives.ReadInt32BigEndian(log[8..]);
        var isInside = false;
        for (var at = HeaderLength; at < log.Length; at += frameLength)
        {
            if (log.Length - at < frameLength)
            {
                // A page that was being appended.
                return true;
            }

            // Frames of an earlier round of the log have other salts.
            if (!log.Slice(at + 8, 8).SequenceEqual(log.Slice(Salts, 8)))
            {
                break;
            }

            // The frame that commits says how many pages the database has then.
            isInside = BinaryPrimitives.ReadInt32BigEndian(log[(at + 4)..]) == 0;
        }

        return isInside;
    }
}
