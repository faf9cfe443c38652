//! What a client does, and what that took.

use std::fmt;
use std::process::id;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::Error;
use crate::process::cpu_time;
use crate::stats::percentile;
use crate::systems::Echo;

/// Echoes, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// How it is called in tables.
    pub name: &'static str,
    /// Bytes in each direction.
    pub size: usize,
    /// So many in a round.
    pub calls: usize,
}

/// What a round of a workload took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Half of the calls took at most so many microseconds.
    pub p50: f64,
    /// 99 of 100 calls took at most so many microseconds.
    pub p99: f64,
    /// Millions of bytes in a second that came back.
    pub throughput: f64,
    /// Microseconds of CPU for each call, of client and server together.
    pub cpu: f64,
}

/// As a client's process prints it.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            p50,
            p99,
            throughput,
            cpu,
        } = self;
        write!(f, "{p50} {p99} {throughput} {cpu}")
    }
}

impl FromStr for Sample {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers = text.split_whitespace().map(str::parse);
        let numbers: Vec<f64> = numbers.collect::<Result<_, _>>()?;
        let [p50, p99, throughput, cpu] = *numbers.as_slice() else {
            return Err(format!("expected four numbers, got {text:?}").into());
        };
        Ok(Self {
            p50,
            p99,
            throughput,
            cpu,
        })
    }
}

/// Runs a round of it against the server of that process id. A fifth more calls go before it, and count
/// for nothing.
pub async fn run(client: &impl Echo, server: u32, work: Workload) -> Result<Sample, Error> {
    let data: Vec<u8> = (0..work.size).map(|at| (at % 251) as u8).collect();
    for _ in 0..work.calls.div_ceil(5) {
        if client.echo(&data).await? != data {
            return Err("the echo is not what was sent".into());
        }
    }
    let mut took = Vec::with_capacity(work.calls);
    let cpu_before = cpu_time(id())? + cpu_time(server)?;
    let begin = Instant::now();
    let mut last = begin;
    for _ in 0..work.calls {
        let echo = client.echo(&data).await?;
        let now = Instant::now();
        took.push(micros(now - last));
        last = now;
        if echo.len() != data.len() {
            return Err("the echo is not as long as what was sent".into());
        }
    }
    let cpu = (cpu_time(id())? + cpu_time(server)?).saturating_sub(cpu_before);
    took.sort_by(f64::total_cmp);
    Ok(Sample {
        p50: percentile(&took, 50.0),
        p99: percentile(&took, 99.0),
        throughput: (work.size * work.calls) as f64 / micros(last - begin),
        cpu: micros(cpu) / work.calls as f64,
    })
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_as_it_was_printed() {
        let sample = Sample {
            p50: 7.25,
            p99: 0.1 + 0.2,
            throughput: 1e9 / 3.0,
            cpu: 0.0,
        };
        assert_eq!(sample.to_string().parse::<Sample>().unwrap(), sample);
        assert!("1 2 3".parse::<Sample>().is_err());
    }
}
