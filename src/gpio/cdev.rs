//! Lines of any Linux GPIO character device. The kernel resolves active-low,
//! stamps edges with its own time, and takes every line back when the process
//! ends, however it ends. (GPIO character device, userspace ABI v2:
//! <https://docs.kernel.org/userspace-api/gpio/chardev.html>)

use std::path::Path;
use std::time::Duration;

use gpiocdev::line::{self, EdgeDetection, EdgeKind, Value};
use gpiocdev::{Chip, Request};

use super::chips::{self, ChipFacts};
use super::wired::{Contact, Driven, Driver, Edge, Input, Output};
use crate::config::board::{Bias, Drive, Edges, Line, LineId};

/// Who has the line, for others who ask the kernel.
const CONSUMER: &str = "callbox";

/// Edges of a line that the kernel keeps until they are read, all at once; it drops the oldest. Of
/// itself it keeps 16, which a bouncing contact makes while this process does not get its turn.
const EDGES_KEPT: u32 = 128;

/// The chips of this machine.
pub fn chips() -> Vec<ChipFacts> {
    let Ok(paths) = gpiocdev::chip::chips() else { return Vec::new() };
    paths.iter().map(|path| facts(path)).collect()
}

/// The lines of a chip that have a name or a user: `4 "GPIO4" used by "callbox"`.
pub fn lines_of(chip: &ChipFacts) -> Vec<String> {
    let Ok(chip) = Chip::from_path(&chip.path) else { return Vec::new() };
    let Ok(lines) = chip.line_info_iter() else { return Vec::new() };
    let told = |line: line::Info| {
        let name = if line.name.is_empty() { String::new() } else { format!(" {:?}", line.name) };
        let user = match (line.used, line.consumer.is_empty()) {
            (false, _) => String::new(),
            (true, false) => format!(" used by {:?}", line.consumer),
            (true, true) => " used".to_owned(),
        };
        (!name.is_empty() || line.used).then(|| format!("{}{name}{user}", line.offset))
    };
    lines.filter_map(Result::ok).filter_map(told).collect()
}

fn facts(path: &Path) -> ChipFacts {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (label, lines, trouble) = match Chip::from_path(path).and_then(|chip| chip.info()) {
        Ok(info) => (info.label, Some(info.num_lines), None),
        Err(error) => (String::new(), None, Some(error.to_string())),
    };
    ChipFacts { name, label, lines, trouble, path: path.to_owned() }
}

/// The driver for `backend = "gpiocdev"`. Chips are looked for anew each time
/// a line is taken: one that is plugged in again may have another number.
#[derive(Clone, Copy, Debug)]
pub struct Cdev;

impl Driver for Cdev {
    fn input(&self, line: &Line, contact: Contact) -> Result<Box<dyn Input>, String> {
        let found = Found::find(line)?;
        let mut builder = Request::builder();
        builder.on_chip(found.chip.path()).with_consumer(CONSUMER).with_line(found.offset);
        builder.as_input().with_edge_detection(edges(contact.edge)).with_bias(resistor(contact.bias));
        builder.with_kernel_event_buffer_size(EDGES_KEPT);
        if line.active_low {
            builder.as_active_low();
        }
        let plain = builder.clone();
        let filters = !contact.filter.is_zero();
        if filters {
            // By the chip where it can, else by the kernel itself.
            builder.with_debounce_period(contact.filter);
        }
        let (request, filters) = match builder.request() {
            Err(error) if filters => {
                tracing::debug!(%line, %error, "no debounce in the kernel");
                (plain.clone().request().map_err(|error| found.refused(line, &error))?, false)
            }
            result => (result.map_err(|error| found.refused(line, &error))?, filters),
        };
        let words = request.edge_event_u64_size() * EDGES_KEPT as usize;
        Ok(Box::new(CdevInput { request, filters, buffer: vec![0; words], line: line.to_string() }))
    }

    fn output(&self, line: &Line, driven: Driven, on: bool) -> Result<Box<dyn Output>, String> {
        let found = Found::find(line)?;
        let mut builder = Request::builder();
        builder.on_chip(found.chip.path()).with_consumer(CONSUMER).with_line(found.offset);
        // Level and direction in one step: an output never begins at the wrong level.
        builder.as_output(Value::from(on)).with_drive(drive(driven.drive));
        if line.active_low {
            builder.as_active_low();
        }
        let request = builder.request().map_err(|error| found.refused(line, &error))?;
        Ok(Box::new(CdevOutput { request, line: line.to_string() }))
    }
}

fn edges(edge: Edges) -> EdgeDetection {
    match edge {
        Edges::Both => EdgeDetection::BothEdges,
        // Active-low is resolved by then: rising is to active.
        Edges::Press => EdgeDetection::RisingEdge,
    }
}

fn drive(drive: Drive) -> line::Drive {
    match drive {
        Drive::PushPull => line::Drive::PushPull,
        Drive::OpenDrain => line::Drive::OpenDrain,
        Drive::OpenSource => line::Drive::OpenSource,
    }
}

fn resistor(bias: Bias) -> Option<line::Bias> {
    match bias {
        Bias::AsIs => None,
        Bias::Disabled => Some(line::Bias::Disabled),
        Bias::PullUp => Some(line::Bias::PullUp),
        Bias::PullDown => Some(line::Bias::PullDown),
    }
}

/// A line that is there.
struct Found {
    chip: Chip,
    offset: u32,
}

impl Found {
    fn find(line: &Line) -> Result<Self, String> {
        let chips = chips();
        let facts = chips::find(&chips, &line.chip)?;
        let chip = Chip::from_path(&facts.path).map_err(|error| {
            format!("{facts}: {error}. Is callbox in the group that owns {}?", facts.path.display())
        })?;
        let offset = match &line.id {
            LineId::Offset(offset) => *offset,
            LineId::Name(name) => match chip.find_line_info(name) {
                Some(info) => info.offset,
                None => {
                    return Err(format!("{facts} has no line named {name:?}: `gpioinfo` lists its lines"));
                }
            },
        };
        match facts.lines {
            Some(lines) if offset >= lines => {
                Err(format!("{facts} has no line {offset}: its lines are 0 to {}", lines.saturating_sub(1)))
            }
            Some(_) | None => Ok(Self { chip, offset }),
        }
    }

    fn refused(&self, line: &Line, error: &gpiocdev::Error) -> String {
        match self.chip.line_info(self.offset) {
            Ok(info) if info.used => {
                format!("{line} is used by {:?} already: end that, or choose another line", info.consumer)
            }
            Ok(_) | Err(_) => format!("{line}: {error}"),
        }
    }
}

struct CdevInput {
    request: Request,
    /// The kernel debounces.
    filters: bool,
    buffer: Vec<u64>,
    line: String,
}

impl CdevInput {
    fn lost(&self, error: &gpiocdev::Error) -> String {
        format!("{} is gone: {error}", self.line)
    }
}

impl Input for CdevInput {
    fn level(&mut self) -> Result<bool, String> {
        self.request.lone_value().map(bool::from).map_err(|error| self.lost(&error))
    }

    fn filters(&self) -> bool {
        self.filters
    }

    fn wait(&mut self, limit: Duration, edges: &mut Vec<Edge>) -> Result<(), String> {
        // A signal to the process interrupts the wait: only what fails twice is lost.
        let ready = self.request.wait_edge_event(limit).or_else(|_| self.request.has_edge_event());
        if !ready.map_err(|error| self.lost(&error))? {
            return Ok(());
        }
        // Not `read_edge_event`, which reads several and returns the first.
        let filled =
            self.request.read_edge_events_into_slice(&mut self.buffer).map_err(|error| self.lost(&error))?;
        if filled == 0 {
            return Err(format!("{} is gone", self.line));
        }
        for words in self.buffer[..filled].chunks_exact(self.request.edge_event_u64_size()) {
            let event = self.request.edge_event_from_slice(words).map_err(|error| self.lost(&error))?;
            let active = match event.kind {
                EdgeKind::Rising => true,
                EdgeKind::Falling => false,
            };
            edges.push(Edge { active, at: Duration::from_nanos(event.timestamp_ns) });
        }
        Ok(())
    }
}

struct CdevOutput {
    request: Request,
    line: String,
}

impl Output for CdevOutput {
    fn set(&mut self, on: bool) -> Result<(), String> {
        self.request
            .set_lone_value(Value::from(on))
            .map_err(|error| format!("{} is gone: {error}", self.line))
    }
}
