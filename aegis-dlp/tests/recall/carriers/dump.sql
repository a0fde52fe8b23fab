-- dump of 2026-11-23, server version 8.0.36
SET NAMES utf8mb4;
CREATE TABLE `records` (`id` int NOT NULL, `kind` varchar(32), `value` text, PRIMARY KEY (`id`));
INSERT INTO `records` VALUES (1,'country','DE'),(2,'{name}','{value}'),(3,'status','active');
