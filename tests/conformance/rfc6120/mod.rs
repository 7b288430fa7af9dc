//! XMPP core.

mod s11_1;
mod s13_7;
mod s4_3_2;
mod s4_3_3;
mod s4_4;
mod s4_7_1;
mod s4_7_2;
mod s4_7_3;
mod s4_7_5;
mod s4_8;
mod s4_9_1;
mod s4_9_3;
mod s5_4;
mod s6_4;
mod s6_5;
mod s8_1;
