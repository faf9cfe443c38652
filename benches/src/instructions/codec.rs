//! Arguments and frames, without a connection.

use std::hint::black_box;

use kaa_rpc_proto::frame::{CallHead, Frame, Split, split};
use kaa_rpc_proto::msgpack::{
    ArgumentError, ArgumentReader, Arguments, ScanLimits, encode_arguments,
};

use crate::Error;
use crate::bench::Album;
use crate::systems::ALBUM;
use crate::workload::TEXT;

pub(super) fn encode_text(times: u64) -> Result<(), Error> {
    encode(&(TEXT,), times)
}

pub(super) fn decode_text(times: u64) -> Result<(), Error> {
    decode(&(TEXT,), times, |arguments| {
        arguments.required("text").map(|text: String| {
            black_box(text);
        })
    })
}

pub(super) fn encode_album(times: u64) -> Result<(), Error> {
    encode(&(&*ALBUM,), times)
}

pub(super) fn decode_album(times: u64) -> Result<(), Error> {
    decode(&(&*ALBUM,), times, |arguments| {
        arguments.required("album").map(|album: Album| {
            black_box(album);
        })
    })
}

fn encode(arguments: &impl Arguments, times: u64) -> Result<(), Error> {
    let mut out = Vec::new();
    for _ in 0..times {
        out.clear();
        encode_arguments(&mut out, black_box(arguments))?;
        black_box(&out);
    }
    Ok(())
}

fn decode(
    arguments: &impl Arguments,
    times: u64,
    take: fn(&mut ArgumentReader<'_>) -> Result<(), ArgumentError>,
) -> Result<(), Error> {
    let mut bytes = Vec::new();
    encode_arguments(&mut bytes, arguments)?;
    for _ in 0..times {
        let mut reader = ArgumentReader::new(black_box(&bytes), &ScanLimits::default())?;
        take(&mut reader)?;
        reader.finish()?;
    }
    Ok(())
}

/// Gives it to `use_frame`: a call with 32 bytes, as a proxy sends it.
fn with_frame<T>(use_frame: impl FnOnce(Frame<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let mut arguments = Vec::new();
    encode_arguments(&mut arguments, &(TEXT,))?;
    use_frame(Frame::Call {
        id: 7,
        head: CallHead {
            remaining: Some(5_000_000),
            ..CallHead::new("text")
        },
        arguments: &arguments,
    })
}

pub(super) fn encode_frame(times: u64) -> Result<(), Error> {
    with_frame(|frame| {
        let mut out = Vec::new();
        for _ in 0..times {
            out.clear();
            black_box(&frame).encode(&mut out);
            black_box(&out);
        }
        Ok(())
    })
}

pub(super) fn decode_frame(times: u64) -> Result<(), Error> {
    with_frame(|frame| {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        for _ in 0..times {
            let Split::Frame(body, _) = split(black_box(&bytes), 1 << 20)? else {
                return Err("the frame is not whole".into());
            };
            black_box(Frame::decode(body)?);
        }
        Ok(())
    })
}
